// hostile MODE [N]: what a program might do to hide calls from a tracer, or to bring it down.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(x) do { if (!(x)) { dprintf(2, "line %d: %s (errno %d)\n", __LINE__, #x, errno); _exit(1); } } while (0)

static int pair[2];

static const uint64_t nonsense[] = {
	0, 1, 7, 8, 15, 4096, 0xdeadbeef, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 40, 0x7fffffffffffull, 0x800000000000ull,
	0x8000000000000000ull, 0xffffffff81000000ull, 0xfffffffffffff000ull, 0xffffffffffffffffull,
};
enum { NONSENSE = sizeof nonsense / sizeof *nonsense };

static const int calls[] = {
	SYS_socket, SYS_socketpair, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_sendto, SYS_recvfrom, SYS_sendmsg,
	SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_preadv2, SYS_pwritev2, SYS_sendfile,
	SYS_splice, SYS_shutdown, SYS_dup, SYS_dup3, SYS_fcntl, SYS_ioctl, SYS_setsockopt, SYS_getsockopt, SYS_getsockname,
	SYS_getpeername, SYS_ppoll, SYS_pselect6, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_ctl, SYS_close_range, SYS_unshare,
	SYS_pidfd_getfd, SYS_restart_syscall, SYS_close,
};
enum { CALLS = sizeof calls / sizeof *calls };

static uint64_t seed;
static uint64_t rnd(void) {
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return seed;
}

// random_calls makes n calls with arguments that are nonsense, half nonsense or right.
static void random_calls(int n) {
	static uint64_t memory[64];
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	for (int i = 0; i < n; i++) {
		uint64_t a[6];
		for (int j = 0; j < 64; j++) memory[j] = rnd() % 3 ? rnd() % 64 : rnd() % 2 ? (uint64_t)memory : nonsense[rnd() % NONSENSE];
		for (int j = 0; j < 6; j++)
			switch (rnd() % 5) {
			case 0: a[j] = nonsense[rnd() % NONSENSE]; break;
			case 1: a[j] = rnd() % 300; break;
			default: a[j] = (uint64_t)(memory + rnd() % 32);
			}
		if (rnd() % 4) a[0] = pair[rnd() % 2];
		int nr = calls[rnd() % CALLS];
		if (nr == SYS_ppoll || nr == SYS_pselect6 || nr == SYS_accept || nr == SYS_accept4) a[2] = a[4] = (uint64_t)(memory + 63), memory[63] = 0;
		if (nr == SYS_epoll_pwait) a[3] = 1;
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
		fcntl(pair[1], F_SETFL, O_NONBLOCK);
		if (nr == SYS_close_range && a[2] == 0) a[0] = 100;
		syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

static void bad_pointers(void) {
	for (int i = 0; i < NONSENSE; i++) {
		uint64_t p = nonsense[i];
		syscall(SYS_bind, pair[0], p, 16);
		syscall(SYS_connect, pair[0], p, p);
		syscall(SYS_accept4, pair[0], p, p, SOCK_NONBLOCK);
		syscall(SYS_getsockname, pair[0], p, p);
		syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_REUSEADDR, p, p);
		syscall(SYS_getsockopt, pair[0], SOL_SOCKET, SO_ERROR, p, p);
		syscall(SYS_sendto, pair[0], p, 1ull << 60, MSG_DONTWAIT, p, 16);
		syscall(SYS_recvfrom, pair[0], p, p, MSG_DONTWAIT, p, p);
		syscall(SYS_sendmsg, pair[0], p, MSG_DONTWAIT);
		syscall(SYS_sendmmsg, pair[0], p, p, MSG_DONTWAIT);
		struct iovec vector = {(void *)p, ~0ul};
		syscall(SYS_writev, pair[0], &vector, 1);
		syscall(SYS_writev, pair[0], &vector, p);
		struct msghdr message = {.msg_iov = (void *)p, .msg_iovlen = p, .msg_name = (void *)p, .msg_namelen = ~0u, .msg_control = (void *)p, .msg_controllen = p};
		syscall(SYS_sendmsg, pair[0], &message, MSG_DONTWAIT);
		syscall(SYS_recvmsg, pair[0], &message, MSG_DONTWAIT);
		struct timespec none = {0, 1};
		syscall(SYS_ppoll, p, p, &none, 0, 0);
		syscall(SYS_pselect6, p, p, p, p, &none, 0);
		syscall(SYS_clone3, p, p);
	}
}

static void foreign(void) {
#ifdef __x86_64__
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(1), "c"(0) : "memory"); // socketcall of i386
	NEED(result == -ENOSYS);
	NEED(syscall(0x40000000 + SYS_socket, AF_INET, SOCK_STREAM, 0) == -1 && errno == ENOSYS); // x32
#endif
}

static void refused(void) {
	char params[256] = {0};
	unsigned long context = 0;
	NEED(ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM);
	NEED(ptrace(PTRACE_ATTACH, getppid(), 0, 0) == -1 && errno == EPERM);
	NEED(syscall(SYS_io_uring_setup, 8, params) == -1 && errno == ENOSYS);
	NEED(syscall(SYS_io_setup, 8, &context) == -1 && errno == ENOSYS);
	NEED(syscall(SYS_userfaultfd, 0) == -1 && errno == ENOSYS);
	NEED(ioctl(0, 0xaa00, 0) == -1 && errno == ENOSYS); // USERFAULTFD_IOC_NEW
}

static volatile int trapped;
static void on_sys(int signal) { trapped++; }

static void own_filter(void) { // its own filter comes on top of the tracer's
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_listen, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	signal(SIGSYS, on_sys);
	syscall(SYS_getpgid, 0);
	NEED(trapped == 1);
	NEED(getppid() > 0);
	NEED(listen(pair[0], 1) == -1 && errno == EACCES);
	NEED(send(pair[0], "seen", 4, 0) == 4);
}

static void *blocked(void *arg) {
	char byte;
	recv(pair[0], &byte, 1, 0);
	return 0;
}

static void exit_in_call(void) {
	pthread_t t;
	for (int i = 0; i < 4; i++) pthread_create(&t, 0, blocked, 0);
	exit(3);
}

static void *kill_all(void *arg) {
	kill(getpid(), SIGKILL);
	return 0;
}

static void *chatter(void *arg) {
	for (;;) send(pair[1], "x", 1, MSG_DONTWAIT), close(dup(pair[0]));
	return 0;
}

static void deaths(int n) { // processes that die in the middle of calls
	for (int i = 0; i < n; i++) {
		if (fork() == 0) {
			pthread_t t;
			for (int j = 0; j < 3; j++) pthread_create(&t, 0, chatter, 0);
			for (int j = 0; j < i % 50; j++) sched_yield();
			if (i % 2) kill_all(0);
			_exit(0);
		}
		int status;
		wait(&status);
	}
}

static void *toggling; // memory that comes and goes
static void *toggle(void *arg) {
	for (;;) {
		munmap(toggling, 4096);
		if (mmap(toggling, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) _exit(2);
	}
	return 0;
}

static void vanishing(int n) {
	toggling = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t;
	pthread_create(&t, 0, toggle, 0);
	for (int i = 0; i < n; i++) {
		send(pair[0], toggling, 4096, MSG_DONTWAIT);
		recv(pair[1], toggling, 4096, MSG_DONTWAIT);
	}
}

static void crowd(int n) { // more descriptors than are noted
	struct rlimit limit = {n + 100, n + 100};
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < n; i++) NEED(socket(AF_INET, SOCK_STREAM, 0) >= 0);
	NEED(close(n / 2) == 0);
	NEED(syscall(SYS_close_range, 10, ~0u, 0) == 0);
	for (int i = 3; i < 20000; i++) close(i);
}

static void undumpable(void) {
	NEED(prctl(PR_SET_DUMPABLE, 0) == 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	send(pair[0], "secret", 6, 0);
	char buf[6];
	recv(pair[1], buf, 6, 0);
	close(fd);
}

static void *hog_thread(void *arg) {
	for (;;) recv(pair[0], arg, 1, MSG_DONTWAIT);
	return 0;
}

static void *meek_thread(void *arg) {
	for (int i = 0; i < 200; i++) getsockname(pair[1], (struct sockaddr *)arg, &(socklen_t){0});
	return 0;
}

static void hogs(int n) { // threads that do nothing but call, and an older one that has to get through
	pthread_t t, meek;
	static char byte[64];
	pthread_create(&meek, 0, meek_thread, byte);
	for (int i = 0; i < n; i++) pthread_create(&t, 0, hog_thread, byte + i);
	pthread_join(meek, 0);
	_exit(0);
}

int main(int argc, char **argv) {
	char *mode = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (!strcmp(mode, "random")) {
		int children = argc > 3 ? atoi(argv[3]) : 1;
		for (int i = 0; i < children; i++) {
			if (fork() == 0) {
				seed = 0x9e3779b97f4a7c15ull * (n + i + 1);
				ualarm(300000, 0);
				random_calls(400);
				_exit(0);
			}
			int status;
			wait(&status);
		}
	} else if (!strcmp(mode, "badpointers")) bad_pointers();
	else if (!strcmp(mode, "foreign")) foreign();
	else if (!strcmp(mode, "refused")) refused();
	else if (!strcmp(mode, "ownfilter")) own_filter();
	else if (!strcmp(mode, "exitincall")) exit_in_call();
	else if (!strcmp(mode, "deaths")) deaths(n);
	else if (!strcmp(mode, "vanishing")) vanishing(n);
	else if (!strcmp(mode, "crowd")) crowd(n);
	else if (!strcmp(mode, "undumpable")) undumpable();
	else if (!strcmp(mode, "hogs")) hogs(n);
	else return 2;
	return 0;
}
