// signals MODE: a call that blocks, and signals. Where the mode says so the handler of SIGUSR1 feeds the
// blocked call, so that it can end when it is made again.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int pair[2];
static char byte;
static sigjmp_buf back;
static volatile sig_atomic_t got;

static ssize_t receive(void) { return recv(pair[0], &byte, 1, 0); }

static void feed(int signal) {
	got++;
	if (write(pair[1], "x", 1) != 1) _exit(70);
}

static void feed_and_take(int signal) { // makes the very call that was interrupted
	if (write(pair[1], "xy", 2) != 2 || receive() != 1) _exit(81);
}

static void count(int signal) { got++; }
static void jump(int signal) { siglongjmp(back, 1); }

static void handle(int signal, void (*with)(int), int flags) {
	struct sigaction action = {.sa_handler = with, .sa_flags = flags};
	if (sigaction(signal, &action, 0)) _exit(71);
}

static void expect(ssize_t result, int errnum) {
	if (errnum ? result != -1 || errno != errnum : result != 1) {
		dprintf(2, "result %zd, %s\n", result, strerror(errno));
		_exit(72);
	}
}

static void *receive_in_thread(void *arg) {
	expect(receive(), 0);
	return 0;
}

static void *break_pipe(void *arg) {
	close(pair[1]);
	send(pair[0], "broken", 6, 0);
	return 0;
}

static int info_value;
static void with_info(int signal, siginfo_t *info, void *context) {
	info_value = info->si_code == SI_QUEUE ? info->si_value.sival_int : -1;
	feed(signal);
}

static void jobs(void) { // job control as a shell sees it
	int status;
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0); // in an orphaned group SIGTSTP does nothing
		raise(SIGSTOP);
		expect(receive(), 0); // the parent has seen that it goes on
		raise(SIGTSTP);
		expect(receive(), 0);
		_exit(5);
	}
	for (int i = 0; i < 2; i++) {
		if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) _exit(73);
		if (WSTOPSIG(status) != (i ? SIGTSTP : SIGSTOP)) _exit(74);
		kill(child, SIGCONT);
		if (waitpid(child, &status, WCONTINUED) != child || !WIFCONTINUED(status)) _exit(75);
		expect(send(pair[1], "x", 1, 0), 0);
	}
	if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 5) _exit(76);
}

int main(int argc, char **argv) {
	char *mode = argc > 1 ? argv[1] : "";
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 77;
	struct pollfd polled = {.fd = pair[0], .events = POLLIN};
	int is_restart = 0;
	if (!strcmp(mode, "eintr")) {
		handle(SIGUSR1, feed, 0);
		expect(receive(), EINTR);
		expect(receive(), 0);
	} else if (!strcmp(mode, "restart")) {
		handle(SIGUSR1, feed, SA_RESTART);
		expect(receive(), 0);
		if (got != 1) return 78;
	} else if (!strcmp(mode, "same")) {
		handle(SIGUSR1, feed_and_take, SA_RESTART);
		expect(receive(), 0);
	} else if (!strcmp(mode, "altstack")) {
		stack_t other = {.ss_sp = malloc(SIGSTKSZ), .ss_size = SIGSTKSZ};
		sigaltstack(&other, 0);
		handle(SIGUSR1, feed, SA_RESTART | SA_ONSTACK);
		expect(receive(), 0);
	} else if (!strcmp(mode, "ignored")) { // SIGUSR1 is ignored, SIGUSR2 feeds
		handle(SIGUSR1, SIG_IGN, 0);
		handle(SIGUSR2, feed, SA_RESTART);
		expect(receive(), 0);
	} else if (!strcmp(mode, "jump")) {
		handle(SIGUSR1, jump, SA_RESTART);
		if (!sigsetjmp(back, 1)) receive();
		send(pair[1], "x", 1, 0);
		expect(receive(), 0);
	} else if (!strcmp(mode, "poll")) {
		handle(SIGUSR1, count, SA_RESTART);
		expect(poll(&polled, 1, 100000), EINTR); // never made again after a handler
	} else if (!strcmp(mode, "polls")) { // stopped and continued; then fed
		handle(SIGUSR1, feed, 0);
		expect(poll(&polled, 1, 100000), EINTR);
		expect(poll(&polled, 1, 100000), 0);
	} else if (!strcmp(mode, "info")) {
		struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO | SA_RESTART};
		sigaction(SIGUSR1, &action, 0);
		sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711});
		expect(receive(), 0);
		if (info_value != 4711) return 79;
	} else if (!strcmp(mode, "traps")) { // its own SIGTRAPs are its own
		handle(SIGTRAP, count, 0);
		raise(SIGTRAP);
#ifdef __x86_64__
		__asm__ volatile("int3");
#else
		raise(SIGTRAP);
#endif
		if (got != 2) return 80;
		handle(SIGTRAP, feed, SA_RESTART);
		expect(receive(), 0); // interrupted by a SIGTRAP from outside
	} else if (!strcmp(mode, "thread")) { // the signal goes to a thread that is in no call
		handle(SIGUSR1, feed, SA_RESTART);
		pthread_t thread;
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		pthread_sigmask(SIG_BLOCK, &set, 0);
		pthread_create(&thread, 0, receive_in_thread, 0);
		pthread_sigmask(SIG_UNBLOCK, &set, 0);
		pthread_join(thread, 0);
	} else if (!strcmp(mode, "jobs")) {
		jobs();
	} else if (!strcmp(mode, "segv")) {
		send(pair[0], "before", 6, 0);
		*(volatile int *)8 = is_restart;
	} else if (!strcmp(mode, "pipe")) {
		close(pair[1]);
		send(pair[0], "broken", 6, 0);
	} else if (!strcmp(mode, "pipethread")) { // the first thread does something else meanwhile
		pthread_t thread;
		int other[2];
		socketpair(AF_UNIX, SOCK_STREAM, 0, other);
		pthread_create(&thread, 0, break_pipe, 0);
		recv(other[0], &byte, 1, 0);
	} else if (!strcmp(mode, "abort")) {
		recv(pair[0], &byte, 1, MSG_DONTWAIT);
		abort();
	} else {
		return 2;
	}
	return 0;
}
