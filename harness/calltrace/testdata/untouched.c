// untouched: exits with 0 where all registers are 0 at its first instruction, as Linux leaves them, and so
// are the 100 KiB below its stack.
__asm__(
	".globl _start\n"
	"_start:\n"
	"	or %rbx, %rax\n	or %rcx, %rax\n	or %rdx, %rax\n	or %rsi, %rax\n	or %rdi, %rax\n	or %rbp, %rax\n"
	"	or %r8, %rax\n	or %r9, %rax\n	or %r10, %rax\n	or %r11, %rax\n	or %r12, %rax\n	or %r13, %rax\n"
	"	or %r14, %rax\n	or %r15, %rax\n"
	"	lea -102400(%rsp), %rdi\n"
	"1:	or (%rdi), %rax\n"
	"	add $8, %rdi\n"
	"	cmp %rsp, %rdi\n"
	"	jb 1b\n"
	"	xor %edi, %edi\n"
	"	test %rax, %rax\n"
	"	setnz %dil\n"
	"	mov $60, %eax\n"
	"	syscall\n");
