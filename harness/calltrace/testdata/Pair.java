import java.io.*;
import java.net.*;

class Pair {
    public static void main(String[] args) throws Exception {
        var listener = new ServerSocket(0, 10, InetAddress.getByName("127.0.0.1"));
        var server = new Thread(() -> {
            try (var socket = listener.accept()) {
                socket.getInputStream().transferTo(socket.getOutputStream());
            } catch (IOException e) {
                System.exit(1);
            }
        });
        server.start();
        String back;
        try (var socket = new Socket("127.0.0.1", listener.getLocalPort())) {
            socket.getOutputStream().write("hello".getBytes());
            socket.shutdownOutput();
            back = new String(socket.getInputStream().readAllBytes());
        }
        server.join();
        listener.close();
        System.out.println(back);
    }
}
