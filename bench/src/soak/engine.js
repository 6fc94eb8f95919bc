// A browser's end of a connection with our engine: two channels that both sides know of, one ordered and one not. Every
// message has its number and words that follow from it, so each is checked whole.
window.end = (() => {
  const WORDS = 16384, LOW = 512 << 10, HIGH = 1 << 20; // words of 32 bits in a message; bytes in a channel
  const pc = new RTCPeerConnection();
  const word = (number, at) => (Math.imul(number, 0x9e3779b1) + at) >>> 0;
  const channels = [true, false].map((ordered, id) => {
    const channel = pc.createDataChannel("soak", { negotiated: true, id, ordered });
    const seen = new Set();
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW;
    channel.onmessage = ({ data }) => {
      const words = new Uint32Array(data), number = words[0];
      if (words.length !== WORDS || seen.has(number) || (ordered && number !== seen.size)) wrong ??= `number ${number}`;
      for (let at = 1; at < WORDS; at++) if (words[at] !== word(number, at)) wrong ??= `word ${at} of ${number}`;
      seen.add(number);
      look();
    };
    return { channel, seen };
  });
  let wrong, expected, ended;
  const look = () => {
    if (wrong || channels.every(({ seen }) => seen.size === expected)) ended?.(wrong ?? "");
  };
  const described = async description => {
    const gathered = new Promise(done => { pc.onicecandidate = event => event.candidate || done(); });
    await pc.setLocalDescription(description);
    await gathered;
    return pc.localDescription.sdp;
  };
  return {
    offer: async () => described(await pc.createOffer()),
    answer: async sdp => {
      await pc.setRemoteDescription({ type: "offer", sdp });
      return described(await pc.createAnswer());
    },
    accept: sdp => pc.setRemoteDescription({ type: "answer", sdp }),
    add: candidate => pc.addIceCandidate({ candidate, sdpMid: "0" }),
    // So many messages on each channel, once they are open here, too.
    async send(count) {
      for (const { channel } of channels)
        while (channel.readyState === "connecting")
          await new Promise(done => channel.addEventListener("open", done, { once: true }));
      for (let number = 0; number < count; number++) for (const { channel } of channels) {
        while (channel.bufferedAmount >= HIGH)
          await new Promise(done => channel.addEventListener("bufferedamountlow", done, { once: true }));
        const words = new Uint32Array(WORDS);
        words[0] = number;
        for (let at = 1; at < WORDS; at++) words[at] = word(number, at);
        if (channel.readyState !== "open") throw Error(`channel ${channel.id} is ${channel.readyState} at ${number}`);
        channel.send(words);
      }
    },
    // What is wrong, or nothing, once so many have come on each.
    receive: count => new Promise(done => { expected = count; ended = done; look(); }),
  };
})();
