import { useEffect, useState } from "react"

const SETTLE = 250

/** A value that is typed, once the hand rests. */
export function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
