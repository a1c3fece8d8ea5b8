const FLOOD = 500
const PACE = 200

/** Tells of what has come: at most once a frame, and of floods, five times a second. */
export class Paced {
  private waiting = 0
  private frame = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  /** `tell` hears whether more comes than can all be drawn; of the end of that, at times, when nothing has come. */
  constructor(private readonly tell: (isFlood: boolean) => void) {}

  /** Something has come; so many lines wait for being told of. */
  add(waiting: number): void {
    this.waiting = waiting
    // A page in the background is given no frames.
    if (document.hidden) this.flush()
    else if (this.timer === undefined) this.frame ||= requestAnimationFrame(this.flush)
  }

  /** Tell of what has come, now. */
  flush = (): void => {
    this.stop()
    const isFlood = this.waiting >= FLOOD
    this.waiting = 0
    if (isFlood) this.timer = setTimeout(this.flush, PACE)
    this.tell(isFlood)
  }

  /** Tell nothing any more, unless something is added. */
  stop(): void {
    cancelAnimationFrame(this.frame)
    clearTimeout(this.timer)
    this.frame = 0
    this.timer = undefined
  }
}
