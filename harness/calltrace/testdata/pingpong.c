// pingpong N: a server and a forked client exchange N frames of 128 bytes each way.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAME = 128 };

static void whole(ssize_t (*step)(int, char *, size_t), int fd, char *frame) {
	for (size_t done = 0; done < FRAME;) {
		ssize_t n = step(fd, frame + done, FRAME - done);
		if (n <= 0) _exit(2);
		done += n;
	}
}

static ssize_t receive(int fd, char *to, size_t n) { return recv(fd, to, n, 0); }
static ssize_t transmit(int fd, char *from, size_t n) { return send(fd, from, n, 0); }

int main(int argc, char **argv) {
	int rounds = argc > 1 ? atoi(argv[1]) : 1000;
	char frame[FRAME] = "ping";
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 10)) return 1;
	getsockname(listener, (struct sockaddr *)&at, &size);
	if (fork() == 0) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&at, size)) _exit(1);
		for (int i = 0; i < rounds; i++) {
			whole(transmit, fd, frame);
			whole(receive, fd, frame);
		}
		close(fd);
		_exit(0);
	}
	int fd = accept(listener, 0, 0);
	for (int i = 0; i < rounds; i++) {
		whole(receive, fd, frame);
		whole(transmit, fd, frame);
	}
	close(fd);
	close(listener);
	int status;
	wait(&status);
	return status != 0;
}
