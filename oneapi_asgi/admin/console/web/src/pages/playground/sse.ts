/**
 * Server-sent events out of the bytes of an answer, wherever they were cut: the `data` of each event.
 *
 * WHATWG HTML, section 9.2.6: lines end by LF, CR or CRLF, and an empty line ends an event. One that is not ended when
 * the stream ends is not an event.
 */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const text = new TextDecoder();
  const lines = new Lines();
  let data: string[] = [];
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one piece comes after the other
      const { value, done } = await reader.read();
      for (const line of lines.feed(done ? text.decode() : text.decode(value, { stream: true }))) {
        if (line === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        } else if (line === "data" || line.startsWith("data:")) {
          data.push(line.slice(5).replace(/^ /, ""));
        }
      }
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Whole lines out of pieces. A CR at the end of a piece may be half of a CRLF. */
class Lines {
  private rest = "";
  private halved = false;

  feed(piece: string): string[] {
    if (this.halved && piece !== "") {
      piece = piece.replace(/^\n/, "");
      this.halved = false;
    }
    this.halved ||= piece.endsWith("\r");
    const lines = (this.rest + piece).split(/\r\n|\r|\n/);
    this.rest = lines.pop() ?? "";
    return lines;
  }
}
