// mixed OTHERS CALLS CYCLES: so many calls that have nothing to do with sockets, so many sends and
// receives, and so many cycles of connect, accept and close, evenly mixed.
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
	if (argc < 4) return 2;
	long others = atol(argv[1]), calls = atol(argv[2]), cycles = atol(argv[3]);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 10)) return 1;
	getsockname(listener, (struct sockaddr *)&at, &size);
	char byte = 'x';
	for (long c = 0; c < cycles; c++) {
		for (long i = 0; i < others / cycles; i++) syscall(SYS_getppid);
		int client = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(client, (struct sockaddr *)&at, size)) return 1;
		int server = accept(listener, 0, 0);
		for (long i = 0; i < calls / cycles / 2; i++) {
			if (send(client, &byte, 1, 0) != 1) return 1;
			if (recv(server, &byte, 1, 0) != 1) return 1;
		}
		close(client);
		close(server);
	}
	close(listener);
	return 0;
}
