import type { ButtonHTMLAttributes } from "react"
import { counted } from "@/lib/number"
import { Icon, type IconName } from "./Icon"

type Native = ButtonHTMLAttributes<HTMLButtonElement>

interface Given extends Native {
  icon?: IconName
  look?: "plain" | "primary" | "danger"
}

export function Button({ icon, look = "plain", children, type = "button", ...rest }: Given) {
  return (
    <button type={type} className={`button ${look}`} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  )
}

/** A button that shows no words; `label` is its name. */
export function IconButton({ icon, label, ...rest }: Native & { icon: IconName; label: string }) {
  return (
    <button type="button" className="button icon-only" aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  )
}

/** One of several choices that are all in sight. */
export function Chip({
  isOn,
  count,
  children,
  ...rest
}: Native & { isOn: boolean; count?: number | undefined }) {
  return (
    <button type="button" className="chip" aria-pressed={isOn} {...rest}>
      {children}
      {count !== undefined && <span className="number quiet">{counted(count)}</span>}
    </button>
  )
}
