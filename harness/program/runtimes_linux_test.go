package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The defaults leave right programs of every language alone: a server and a client of their own, threads,
// and some memory.
func TestRuntimes(t *testing.T) {
	const java = `
import java.net.*; import java.nio.file.*; import java.util.concurrent.*;
class Talk {
	public static void main(String[] a) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(50);
		ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
		Future<Integer> got = pool.submit(() -> { try (Socket s = server.accept()) { return s.getInputStream().read(); } });
		try (Socket s = new Socket(server.getInetAddress(), server.getLocalPort())) { s.getOutputStream().write(42); }
		byte[][] much = new byte[20][];
		for (int i = 0; i < much.length; i++) much[i] = new byte[1 << 20];
		Files.write(Files.createTempFile("x", "y"), much[0]);
		System.out.println("got " + got.get() + " " + System.getProperty("file.encoding") + " ü");
		pool.shutdown();
	}
}`
	const node = `
const net = require('net'), fs = require('fs'), os = require('os'), { Worker } = require('worker_threads');
const server = net.createServer(s => s.on('data', d => {
	new Worker('require("worker_threads").parentPort.postMessage(7)', { eval: true }).on('message', () => {
		fs.writeFileSync(os.tmpdir() + '/x', Buffer.alloc(1 << 20));
		console.log('got ' + d[0] + ' utf-8 ü'); server.close(); s.destroy(); }); }));
server.listen(0, '127.0.0.1', () => net.connect(server.address().port, '127.0.0.1', function () { this.write(Buffer.from([42])); }));`
	const python = `
import socket, threading, multiprocessing, tempfile, sys
s = socket.create_server(('127.0.0.1', 0))
def talk():
    with socket.create_connection(s.getsockname()) as c: c.sendall(b'*')
threads = [threading.Thread(target=talk) for _ in range(20)]
[x.start() for x in threads]
got = [s.accept()[0].recv(1)[0] for _ in threads]
p = multiprocessing.Process(target=print, args=('child',), kwargs={'file': sys.stderr}); p.start(); p.join()
tempfile.TemporaryFile().write(bytes(1 << 20))
print('got', got[0], sys.stdout.encoding, 'ü')`
	const perl = `
use IO::Socket::INET; use open qw(:std :utf8); use utf8;
my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->sockport); print $c '*'; exit }
my $c = $s->accept; my $x = getc $c; wait; print 'got ', ord $x, " utf-8 ü\n";`
	for _, c := range []struct{ command, args, file, source string }{
		{"java", "Talk.java", "Talk.java", java},
		{"node", "talk.js", "talk.js", node},
		{"python3", "talk.py", "talk.py", python},
		{"perl", "talk.pl", "talk.pl", perl},
	} {
		t.Run(c.command, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.source), 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := ResolveIn(dir, c.command, c.args)
			if err != nil {
				t.Skip(err)
			}
			eachWay(t, func(t *testing.T, g *ground) {
				o := g.run(p)
				if !o.ExitedZero() || strings.ToLower(string(o.Stdout)) != "got 42 utf-8 ü\n" || len(o.Limits) > 0 || c.command != "python3" && len(o.Stderr) > 0 {
					t.Errorf("%s, stdout %q, stderr %q", o.InWords, o.Stdout, o.Stderr)
				}
				if left := entries(dir); len(left) != 1 {
					t.Errorf("beside the source: %v", left)
				}
			})
		})
	}
}
