// pieces: sends frames of 128 bytes by each call, going on until all is sent, and checks what arrives.
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int pair[2];
static char frame[128];

static ssize_t with_vectors(int message, size_t from) {
	struct iovec v[3] = {{frame + from, 1}, {frame + from + 1, 0}, {frame + from + 1, sizeof frame - from - 1}}, copy[3];
	memcpy(copy, v, sizeof v);
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
	ssize_t n = message ? sendmsg(pair[0], &m, 0) : writev(pair[0], v, 3);
	return memcmp(copy, v, sizeof v) ? -2 : n; // the vectors must be as they were
}

int main(void) {
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
	for (size_t i = 0; i < sizeof frame; i++) frame[i] = i;
	for (int way = 0; way < 4; way++) {
		for (size_t done = 0; done < sizeof frame;) {
			ssize_t n = way == 0   ? send(pair[0], frame + done, sizeof frame - done, 0)
				    : way == 1 ? write(pair[0], frame + done, sizeof frame - done)
					       : with_vectors(way == 3, done);
			if (n <= 0) return 2;
			done += n;
		}
		char got[sizeof frame];
		for (size_t done = 0; done < sizeof got;) {
			ssize_t n = read(pair[1], got + done, sizeof got - done);
			if (n <= 0) return 3;
			done += n;
		}
		if (memcmp(got, frame, sizeof frame)) return 4;
	}
	return 0;
}
