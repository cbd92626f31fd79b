// Socket.IO's chat in its smallest form: one event, emitted to everybody.
const { Server } = require('socket.io')

const io = new Server({ transports: ['websocket'] })
io.on('connection', socket => socket.on('m', text => io.emit('m', text)))
io.listen(Number(process.argv[2]))
