/** A whole number with its thousands told apart: `12,345`. */
export const counted = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ",")
