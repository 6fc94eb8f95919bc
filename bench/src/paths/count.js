// Counts the bytes of all messages that this page's data channels bring, whatever the page does with them.
window.brought = 0;
const create = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function (...given) {
  const channel = create.apply(this, given);
  channel.addEventListener("message", ({ data }) => window.brought += data.byteLength ?? data.size ?? data.length);
  return channel;
};
