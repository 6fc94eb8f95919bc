// A bare data channel between two browsers: what they can do when nobody asks anything of them. The descriptions are
// carried by the test; the data is one block of memory sent again and again, and the receiver counts.
window.bare = (() => {
  const MESSAGE = 64 << 10, LOW = 512 << 10, HIGH = 1 << 20; // bytes
  const connection = new RTCPeerConnection();
  let channel, opened, arrived, count = 0, expected = Infinity;
  const open = new Promise(resolve => opened = resolve);
  const whole = new Promise(resolve => arrived = resolve);
  const use = used => {
    channel = used;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW;
    channel.onopen = opened;
    channel.onmessage = event => {
      count += event.data.byteLength;
      if (count >= expected) arrived(count);
    };
  };
  connection.ondatachannel = event => use(event.channel);
  const described = async () => {
    await connection.setLocalDescription();
    while (connection.iceGatheringState != "complete")
      await new Promise(resolve => connection.addEventListener("icegatheringstatechange", resolve, { once: true }));
    return connection.localDescription.toJSON();
  };
  return {
    offer() { use(connection.createDataChannel("bare")); return described(); },
    async answer(offer) { await connection.setRemoteDescription(offer); return described(); },
    async accept(answer) { await connection.setRemoteDescription(answer); },
    ready: () => open.then(() => true),
    async send(total) {
      const message = crypto.getRandomValues(new Uint8Array(MESSAGE));
      for (let sent = 0; sent < total; sent += MESSAGE) {
        if (channel.bufferedAmount >= HIGH)
          await new Promise(resolve => channel.addEventListener("bufferedamountlow", resolve, { once: true }));
        channel.send(message);
      }
      return total;
    },
    keepSending() { this.send(Infinity).catch(() => {}); }, // until the channel is closed
    received: () => count,
    receive(total) {
      expected = total;
      if (count >= expected) arrived(count);
      return whole;
    },
    close() { connection.close(); },
  };
})();
