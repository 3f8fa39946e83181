/** Nothing is drawn for what is done sooner, in milliseconds. */
const silentMs = 1_000
/** A line a few times a second is enough to see that it lives, in milliseconds. */
const redrawMs = 200

type Sink = {readonly write: (text: string) => unknown}

/** One line on a terminal's stderr for what takes longer than a second; `clear` takes it away again. */
export function makeProgress(
  sink: Sink,
  enabled: boolean,
  now: () => number = Date.now,
): {readonly show: (done: number, total: number, what: string) => void; readonly clear: () => void} {
  const start = now()
  let drawn = -Infinity
  let visible = false
  return {
    show(done, total, what) {
      if (!enabled || now() - start < silentMs || now() - drawn < redrawMs) return
      drawn = now()
      visible = true
      sink.write(`\r\u001B[2K${done} of ${total} ${what} …`)
    },
    clear() {
      if (visible) sink.write('\r\u001B[2K')
      visible = false
    },
  }
}
