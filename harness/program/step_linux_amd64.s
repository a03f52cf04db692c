#include "textflag.h"

// The steps begin at stepsAt (image_linux.go), 12 words each:
// number, six arguments, next after a failure, next after 0, next after a positive result, address that the
// result goes to, place for the result.
// Uses no stack and no address but those in the steps, so that it runs wherever it is copied to.
TEXT ·walkSteps(SB), NOSPLIT|NOFRAME, $0
	MOVQ $0x10010000, R12
next:
	MOVQ 0(R12), AX
	MOVQ 8(R12), DI
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	MOVQ 32(R12), R10
	MOVQ 40(R12), R8
	MOVQ 48(R12), R9
	SYSCALL
	MOVQ 80(R12), R13
	MOVQ AX, 0(R13)
	TESTQ AX, AX
	JLT failed
	JEQ zero
	MOVQ 72(R12), R12
	JMP next
zero:
	MOVQ 64(R12), R12
	JMP next
failed:
	MOVQ 56(R12), R12
	JMP next

// func walkStepsAt() *byte
TEXT ·walkStepsAt(SB), NOSPLIT, $0-8
	LEAQ ·walkSteps(SB), AX
	MOVQ AX, ret+0(FP)
	RET
