const DRAFT_AFTER = 3_000

/** What is filled in and not sent yet; it is kept with the server when that is asked for, or a moment after it changed. */
export class Draft {
  private unsaved: { value: unknown } | null = null
  private saving: Promise<unknown> = Promise.resolve()
  private timer: ReturnType<typeof setTimeout> | undefined
  private isEnding = false

  /** `save` keeps a value with the server; undefined where that is not theirs to do now. */
  constructor(private readonly save: (value: unknown) => Promise<unknown> | undefined) {}

  /** Keep this in a moment, unless something else is to be kept by then. */
  later = (value: unknown): void => {
    this.unsaved = { value }
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.now().catch(() => undefined), DRAFT_AFTER)
  }

  /** Keep what is not kept yet, and wait for what is on its way. Throws what saving it does. */
  now = async (): Promise<void> => {
    clearTimeout(this.timer)
    const kept = this.unsaved
    const saved = kept && !this.isEnding ? this.save(kept.value) : undefined
    if (saved) {
      this.unsaved = null
      this.saving = Promise.allSettled([this.saving, saved])
    }
    await this.saving
    try {
      await saved
    } catch (error) {
      this.unsaved ??= kept
      throw error
    }
  }

  /**
   * Do what ends the work, once what is on its way has come: the server refuses a draft of work that has ended. What is
   * not kept by then is kept only where that fails.
   */
  async end<T>(work: () => Promise<T>): Promise<T> {
    this.isEnding = true
    try {
      await this.now()
      const done = await work()
      this.unsaved = null
      return done
    } finally {
      this.isEnding = false
      if (this.unsaved) this.later(this.unsaved.value)
    }
  }
}
