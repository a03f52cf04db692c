// Asks again and again for what is not there: at once, or asleep in between.
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int pair[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void rest(const char *how)
{
	struct timespec a_little = { 0, 2000000 };

	if (!strcmp(how, "nanosleep"))
		nanosleep(&a_little, 0);
	if (!strcmp(how, "condition")) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 2000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_mutex_lock(&lock);
		pthread_cond_timedwait(&never, &lock, &until);
		pthread_mutex_unlock(&lock);
	}
	if (!strcmp(how, "yield"))
		sched_yield();
	if (!strcmp(how, "signal"))
		raise(SIGUSR1);
}

static void handled(int number) { (void)number; }

int main(int argc, char **argv)
{
	char byte;
	struct pollfd waiting;

	(void)argc;
	signal(SIGUSR1, handled);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	waiting = (struct pollfd){ .fd = pair[0], .events = POLLIN };
	for (int i = 0; i < 150; i++) {
		if (!strcmp(argv[1], "poll"))
			poll(&waiting, 1, 0);
		else
			recv(pair[0], &byte, 1, MSG_DONTWAIT);
		rest(argv[2]);
	}
	return 0;
}
