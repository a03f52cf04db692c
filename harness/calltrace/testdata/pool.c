// pool N: threads that accept from one listener and close what they get, threads that connect to it, and
// threads that open and close files, so that descriptor numbers come and go all the time.
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in at = {.sin_family = AF_INET};
static int listener, rounds;
static atomic_int over;

static void *serve(void *arg) {
	for (int i = 0; i < rounds; i++) {
		int fd = accept(listener, 0, 0);
		if (fd < 0) _exit(2);
		char byte;
		while (read(fd, &byte, 1) > 0) {}
		close(fd);
	}
	return 0;
}

static void *request(void *arg) {
	for (int i = 0; i < rounds; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&at, sizeof at)) _exit(3);
		close(fd);
	}
	return 0;
}

static void *shuffle(void *arg) {
	while (!over) close(open("/dev/null", O_RDONLY));
	return 0;
}

int main(int argc, char **argv) {
	socklen_t size = sizeof at;
	rounds = atoi(argv[1]);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 10)) return 1;
	getsockname(listener, (struct sockaddr *)&at, &size);
	pthread_t t[6], noise[2];
	for (int i = 0; i < 2; i++) pthread_create(&noise[i], 0, shuffle, 0);
	for (int i = 0; i < 6; i++) pthread_create(&t[i], 0, i % 2 ? serve : request, 0);
	for (int i = 0; i < 6; i++) pthread_join(t[i], 0);
	over = 1;
	for (int i = 0; i < 2; i++) pthread_join(noise[i], 0);
	return 0;
}
