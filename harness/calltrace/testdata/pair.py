import socket, threading

listener = socket.create_server(("127.0.0.1", 0))

def serve():
    conn, _ = listener.accept()
    with conn:
        while data := conn.recv(100):
            conn.sendall(data)

thread = threading.Thread(target=serve)
thread.start()
with socket.create_connection(listener.getsockname()) as conn:
    conn.sendall(b"hello")
    conn.shutdown(socket.SHUT_WR)
    back = b""
    while data := conn.recv(100):
        back += data
thread.join()
listener.close()
print(back.decode())
