// calls: makes every traced call once or more, in a fixed order. The tests know what must be recorded.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define MUST(x) do { if ((x) < 0) { dprintf(2, "%s: %s\n", #x, strerror(errno)); exit(1); } } while (0)

int main(void) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010203)}, from;
	socklen_t size = sizeof at, room;
	int one = 1, error;
	char buf[256];

	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
	MUST(bind(listener, (struct sockaddr *)&at, sizeof at));
	MUST(listen(listener, 7));
	MUST(getsockname(listener, (struct sockaddr *)&at, &size));
	int client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	MUST(connect(client, (struct sockaddr *)&at, sizeof at));
	room = sizeof from;
	int server = accept(listener, (struct sockaddr *)&from, &room);
	room = sizeof from;
	MUST(getpeername(server, (struct sockaddr *)&from, &room));

	// Every way to send, and every way to receive.
	MUST(send(client, "send", 4, MSG_NOSIGNAL));
	MUST(recv(server, buf, 100, 0));
	MUST(write(client, "write", 5));
	MUST(read(server, buf, 100));
	struct iovec two[2] = {{"wri", 3}, {"tev", 3}}, into[2] = {{buf, 2}, {buf + 100, 50}};
	MUST(writev(client, two, 2));
	MUST(readv(server, into, 2));
	struct msghdr out = {.msg_iov = two, .msg_iovlen = 2}, in = {.msg_iov = into, .msg_iovlen = 2};
	MUST(sendmsg(client, &out, 0));
	MUST(recvmsg(server, &in, 0));
	struct mmsghdr outs[2] = {{.msg_hdr = out}, {.msg_hdr = {.msg_iov = two, .msg_iovlen = 1}}}, ins[1] = {{.msg_hdr = in}};
	MUST(sendmmsg(client, outs, 2, 0));
	MUST(recvmmsg(server, ins, 1, 0, 0));
	MUST(pwritev2(client, two, 2, -1, 0));
	MUST(preadv2(server, into, 2, -1, 0));
	FILE *file = tmpfile();
	fputs("0123456789", file);
	fflush(file);
	off_t offset = 2;
	MUST(sendfile(client, fileno(file), &offset, 5));
	MUST(recv(server, buf, 100, MSG_PEEK));
	MUST(recvfrom(server, buf, 100, 0, (struct sockaddr *)&from, &room));
	int tube[2];
	MUST(pipe(tube));
	MUST(write(tube[1], "through", 7));
	MUST(splice(tube[0], 0, client, 0, 7, 0));
	MUST(splice(server, 0, tube[1], 0, 7, 0));

	// Waits.
	MUST(send(client, "w", 1, 0));
	struct pollfd polled = {.fd = server, .events = POLLIN};
	MUST(poll(&polled, 1, 5000));
	MUST(poll(&polled, 1, 0));
	struct timespec second = {.tv_sec = 1}, none = {0};
	MUST(ppoll(&polled, 1, &none, 0));
	MUST(ppoll(&polled, 1, &second, 0));
	fd_set set;
	FD_ZERO(&set);
	FD_SET(server, &set);
	MUST(select(server + 1, &set, 0, 0, 0));
	int epoll = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = server};
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event));
	MUST(epoll_wait(epoll, &event, 1, -1));
	MUST(close(epoll));

	// Options, flags, copies.
	room = sizeof error;
	MUST(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &room));
	MUST(fcntl(client, F_SETFL, O_NONBLOCK));
	MUST(ioctl(client, FIONBIO, &one));
	int copy = dup(client);
	MUST(dup2(client, 50));
	MUST(dup3(client, 51, O_CLOEXEC));
	MUST(fcntl(client, F_DUPFD, 60));
	MUST(dup2(fileno(file), 50)); // replaces a socket
	MUST(close(copy));
	MUST(syscall(SYS_close_range, 51, 100, 0));

	// Failures.
	if (recv(client, buf, 100, MSG_DONTWAIT) >= 0) return 1;
	if (connect(client, (struct sockaddr *)&at, sizeof at) >= 0) return 1;
	if (accept(client, 0, 0) >= 0) return 1;
	if (send(999, "x", 1, 0) >= 0) return 1;

	// Other families.
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int datagram = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	sendto(datagram, "six", 3, 0, (struct sockaddr *)&six, sizeof six);
	MUST(close(datagram));
	struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "\0calltrace-none"};
	int stream = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(stream, (struct sockaddr *)&local, 2 + 15) >= 0) return 1;
	MUST(close(stream));
	int pair[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));

	MUST(shutdown(client, SHUT_WR));
	MUST(close(client));
	close(client); // fails
	MUST(close(server));
	MUST(close(listener));
	return 0;
}
