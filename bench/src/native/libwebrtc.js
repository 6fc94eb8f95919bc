// One end of a libwebrtc transfer: `node -e … send|receive FILE BYTES`, with `@roamhq/wrtc` in NODE_PATH. Descriptions and
// candidates go out on standard output and come in on standard input, a JSON line each.
const fs = require("node:fs"), readline = require("node:readline");
const { RTCPeerConnection } = require("@roamhq/wrtc");
const [, role, file, bytes] = process.argv;
const MESSAGE = 64 << 10, HIGH = 1 << 20; // bytes
const connection = new RTCPeerConnection();
const say = message => process.stdout.write(JSON.stringify(message) + "\n");
const describe = async description => {
  await connection.setLocalDescription(description);
  say({ description: connection.localDescription });
};
connection.onicecandidate = ({ candidate }) => candidate && say({ candidate });
let before = Promise.resolve();
const hear = async ({ description, candidate }) => {
  if (candidate) return connection.addIceCandidate(candidate);
  await connection.setRemoteDescription(description);
  if (description.type === "offer") await describe(await connection.createAnswer());
};
readline.createInterface({ input: process.stdin }).on("line", line => { before = before.then(() => hear(JSON.parse(line))); });
const end = () => { connection.close(); setTimeout(() => process.exit(0), 50); };
if (role === "send") {
  const channel = connection.createDataChannel("file"), source = fs.openSync(file, "r");
  const pump = () => {
    while (channel.bufferedAmount < HIGH) {
      const block = Buffer.from(new ArrayBuffer(MESSAGE)), len = fs.readSync(source, block, 0, MESSAGE);
      if (len === 0) return;
      channel.send(block.subarray(0, len));
    }
    setTimeout(pump, 1); // the package has no event for it
  };
  channel.onopen = pump;
  channel.onmessage = end; // the receiver has everything
  connection.createOffer().then(describe);
} else {
  const sink = fs.openSync(file, "w");
  let left = Number(bytes);
  connection.ondatachannel = ({ channel }) => {
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => {
      fs.writeSync(sink, Buffer.from(data));
      if ((left -= data.byteLength) <= 0) { channel.send("done"); setTimeout(end, 200); }
    };
  };
}
