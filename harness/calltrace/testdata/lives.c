// lives MODE [N]: the ways in which threads and processes begin and end.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int stream(int flags) {
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
	if (fd < 0) _exit(90);
	return fd;
}

static void reap(void) {
	int status;
	while (wait(&status) > 0)
		if (status) _exit(91);
	if (errno != ECHILD) _exit(92);
}

static void forks(void) {
	int fd = stream(0);
	if (fork() == 0) {
		shutdown(fd, SHUT_WR); // fails with ENOTCONN, on the inherited socket
		close(fd);
		_exit(0);
	}
	reap();
	close(fd);
}

static void vforks(void) {
	stream(SOCK_CLOEXEC);
	stream(0);
	if (vfork() == 0) {
		execl("/proc/self/exe", "lives", "listing", (char *)0);
		_exit(93);
	}
	reap();
}

static void listing(void) { // what has come over exec: 4, and not 3
	if (fcntl(3, F_GETFD) != -1 || fcntl(4, F_GETFD) == -1) _exit(94);
	shutdown(4, SHUT_RD);
}

static void daemonise(void) { // the grandchild goes on when the first process has ended
	int tube[2];
	char byte;
	if (pipe(tube)) _exit(108);
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			close(tube[1]);
			if (read(tube[0], &byte, 1) != 0) _exit(109);
			close(stream(0));
		}
		_exit(0);
	}
	reap();
}

static int child_socket(void *arg) {
	close(stream(0));
	return 0;
}

static char stack[1 << 16] __attribute__((aligned(16)));

static void untraced(void) {
	if (clone(child_socket, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, 0) < 0) _exit(95);
	reap();
}

static void untraced3(void) {
	struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid != -1 || errno != ENOSYS) _exit(96);
}

static void adopted(void) { // the child is its parent's sibling
	if (clone(child_socket, stack + sizeof stack, CLONE_PARENT | SIGCHLD, 0) < 0) _exit(110);
}

static int made;

static int make_shared(void *arg) {
	made = stream(0);
	return 0;
}

static void shared(void) {
	if (clone(make_shared, stack + sizeof stack, CLONE_FILES | CLONE_VM | SIGCHLD, 0) < 0) _exit(97);
	reap();
	if (close(made)) _exit(98);
}

static void *thread_socket(void *arg) {
	for (long i = 0; i < (long)arg; i++) close(stream(0));
	return 0;
}

static void threads(int n) {
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 16);
	pthread_t *all = calloc(n, sizeof *all);
	for (int i = 0; i < n; i++)
		if (pthread_create(&all[i], &attr, thread_socket, (void *)1)) _exit(99);
	for (int i = 0; i < n; i++) pthread_join(all[i], 0);
	free(all);
}

static void *exec_self(void *arg) {
	execl("/proc/self/exe", "lives", "listing", (char *)0);
	_exit(100);
}

static void *sleeper(void *arg) {
	for (;;) pause();
	return 0;
}

static void exec_from_thread(void) {
	pthread_t t;
	stream(SOCK_CLOEXEC);
	stream(0);
	for (int i = 0; i < 3; i++) pthread_create(&t, 0, sleeper, 0);
	pthread_create(&t, 0, exec_self, 0);
	for (;;) pause();
}

static pthread_t leader;

static void *last_thread(void *arg) {
	pthread_join(leader, 0);
	close(stream(0));
	_exit(7);
}

static void leader_first(void) {
	pthread_t t;
	leader = pthread_self();
	pthread_create(&t, 0, last_thread, 0);
	pthread_exit(0);
}

static void rights(void) {
	int pair[2], fd;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) _exit(101);
	char byte = 'x', room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec vector = {&byte, 1};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
	if (fork() == 0) {
		fd = stream(0);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(header), &fd, sizeof fd);
		_exit(sendmsg(pair[1], &message, 0) != 1);
	}
	reap();
	if (recvmsg(pair[0], &message, 0) != 1) _exit(102);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	shutdown(fd, SHUT_RD);
	close(fd);
}

static void getfd(void) {
	int fd = stream(0);
	int self = syscall(SYS_pidfd_open, getpid(), 0);
	int copy = syscall(SYS_pidfd_getfd, self, fd, 0);
	if (copy < 0) _exit(103);
	close(fd);
	shutdown(copy, SHUT_RD);
	close(copy);
}

static void *unshare_and_close(void *arg) {
	if (unshare(CLONE_FILES) || close((int)(intptr_t)arg)) _exit(104);
	return 0;
}

static void unshares(void) {
	int fd = stream(0);
	pthread_t t;
	pthread_create(&t, 0, unshare_and_close, (void *)(intptr_t)fd);
	pthread_join(t, 0);
	shutdown(fd, SHUT_RD); // still open in this thread
	close(fd);
}

static void replaces(void) { // inetd: the socket becomes the standard input of another program
	int fd = stream(0);
	dup2(fd, 0);
	close(fd);
	execl("/proc/self/exe", "lives", "readzero", (char *)0);
	_exit(105);
}

static void read_zero(void) {
	char byte;
	if (read(0, &byte, 1) >= 0 || errno != ENOTCONN) _exit(106);
}

static void storm(int n) {
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid < 0) _exit(107);
		if (pid == 0) {
			close(stream(0));
			_exit(0);
		}
		if (i % 10 == 9) reap();
	}
	reap();
}

static void bomb(void) {
	for (;;) fork();
}

int main(int argc, char **argv) {
	char *mode = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;
	if (!strcmp(mode, "forks")) forks();
	else if (!strcmp(mode, "vforks")) vforks();
	else if (!strcmp(mode, "listing")) listing();
	else if (!strcmp(mode, "daemonise")) daemonise();
	else if (!strcmp(mode, "untraced")) untraced();
	else if (!strcmp(mode, "untraced3")) untraced3();
	else if (!strcmp(mode, "adopted")) adopted();
	else if (!strcmp(mode, "shared")) shared();
	else if (!strcmp(mode, "threads")) threads(n);
	else if (!strcmp(mode, "execthread")) exec_from_thread();
	else if (!strcmp(mode, "leaderfirst")) leader_first();
	else if (!strcmp(mode, "rights")) rights();
	else if (!strcmp(mode, "getfd")) getfd();
	else if (!strcmp(mode, "unshares")) unshares();
	else if (!strcmp(mode, "replaces")) replaces();
	else if (!strcmp(mode, "readzero")) read_zero();
	else if (!strcmp(mode, "storm")) storm(n);
	else if (!strcmp(mode, "bomb")) bomb();
	else return 2;
	return 0;
}
