// One end of a libdatachannel transfer: `node datachannel.js send|receive FILE BYTES`, in a folder where `node-datachannel` is
// installed. Descriptions and candidates go out on standard output and come in on standard input, a JSON line each.
const fs = require("node:fs"), readline = require("node:readline");
const { PeerConnection } = require("node-datachannel");
const [, , role, file, bytes] = process.argv;
const MESSAGE = 64 << 10, HIGH = 1 << 20; // bytes
const connection = new PeerConnection(role, { iceServers: [], maxMessageSize: 256 << 10 });
const say = message => process.stdout.write(JSON.stringify(message) + "\n");
connection.onLocalDescription((sdp, type) => say({ sdp, type }));
connection.onLocalCandidate((candidate, mid) => say({ candidate, mid }));
readline.createInterface({ input: process.stdin }).on("line", line => {
  const { sdp, type, candidate, mid } = JSON.parse(line);
  if (sdp) connection.setRemoteDescription(sdp, type);
  else connection.addRemoteCandidate(candidate, mid);
});
const end = () => { connection.close(); setTimeout(() => process.exit(0), 50); };
if (role === "send") {
  const channel = connection.createDataChannel("file"), source = fs.openSync(file, "r");
  const pump = () => {
    while (channel.bufferedAmount() < HIGH) {
      const block = Buffer.allocUnsafe(MESSAGE), len = fs.readSync(source, block, 0, MESSAGE);
      if (len === 0) return;
      channel.sendMessageBinary(block.subarray(0, len));
    }
  };
  channel.setBufferedAmountLowThreshold(HIGH / 2);
  channel.onBufferedAmountLow(pump);
  channel.onOpen(pump);
  channel.onMessage(end); // the receiver has everything
} else {
  const sink = fs.openSync(file, "w");
  let left = Number(bytes);
  connection.onDataChannel(channel => channel.onMessage(message => {
    fs.writeSync(sink, message);
    if ((left -= message.length) <= 0) { channel.sendMessage("done"); setTimeout(end, 200); }
  }));
}
