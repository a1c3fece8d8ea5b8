const FLOOD = 500
const PACE = 100

/** Items handed on together: at most once a frame, and where they come in floods, ten times a second. */
export class Paced<Item> {
  private waiting: Item[] = []
  private frame = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  /** `hand` is told whether more come than can all be drawn; of the end of that, at times, with no items. */
  constructor(private readonly hand: (items: Item[], isFlood: boolean) => void) {}

  add(items: Item[]): void {
    for (const item of items) this.waiting.push(item)
    // A page in the background is given no frames.
    if (document.hidden) this.flush()
    else if (this.timer === undefined) this.frame ||= requestAnimationFrame(this.flush)
  }

  /** Hand on what has come, now. */
  flush = (): void => {
    this.stop()
    const items = this.waiting
    this.waiting = []
    const isFlood = items.length >= FLOOD
    if (isFlood) this.timer = setTimeout(this.flush, PACE)
    this.hand(items, isFlood)
  }

  /** Hand nothing on any more, unless something is added. */
  stop(): void {
    cancelAnimationFrame(this.frame)
    clearTimeout(this.timer)
    this.frame = 0
    this.timer = undefined
  }
}
