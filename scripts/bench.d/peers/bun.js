// Bun's publish and subscribe: the path is the topic.
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  fetch(request) {
    const room = new URL(request.url).pathname
    return server.upgrade(request, { data: { room } }) ? undefined : new Response('Upgrade Required', { status: 426 })
  },
  websocket: {
    open(socket) { socket.subscribe(socket.data.room) },
    // The server's publish, unlike the socket's, reaches the sender too.
    message(socket, text) { server.publish(socket.data.room, text) },
  },
})
