const net = require("net");
const server = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
server.listen(0, "127.0.0.1", () => {
  const client = net.connect(server.address().port, "127.0.0.1");
  let back = "";
  client.on("data", (data) => (back += data));
  client.on("close", () => server.close(() => console.log(back)));
  client.end("hello");
});
