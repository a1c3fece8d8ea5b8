/** Which tasks have changed; `more`: others may have, too. */
export interface Change {
  taskIds: ReadonlySet<string>
  more: boolean
}

export const ANYTHING: Change = { taskIds: new Set(), more: true }

/**
 * Hands changes on, one after the other: what is told while one is being worked on, or while nothing is to move, is
 * gathered and handed on afterwards. Work that fails is taken up again with the next change. Work may return how to show
 * what it has found: where nothing is to move by then, it is done again afterwards instead.
 */
export class Intake {
  private waiting: Change | null = null
  private isBusy = false
  private isHeld = false

  /** `rest`: for how many milliseconds nothing is handed on after each. */
  constructor(
    private readonly work: (change: Change) => unknown,
    private readonly rest = 0,
  ) {}

  add(change: Change): void {
    this.waiting = merged(this.waiting, change)
    void this.run()
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld
    void this.run()
  }

  private async run(): Promise<void> {
    if (this.isBusy || this.isHeld || !this.waiting) return
    const change = this.waiting
    this.waiting = null
    this.isBusy = true
    let failed = false
    try {
      const show = await this.work(change)
      if (typeof show === "function") {
        if (this.isHeld) this.waiting = merged(this.waiting, change)
        else show()
      }
    } catch {
      failed = true
      this.waiting = merged(this.waiting, change)
    }
    if (this.rest) await new Promise(resolve => setTimeout(resolve, this.rest))
    this.isBusy = false
    if (!failed) void this.run()
  }
}

function merged(old: Change | null, next: Change): Change {
  if (!old) return next
  return { taskIds: new Set([...old.taskIds, ...next.taskIds]), more: old.more || next.more }
}
