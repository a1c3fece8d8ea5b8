import type { InboxItem } from "@/api/inbox"
import { Form } from "@/form/Form"
import type { Field, Layout } from "@/form/field"
import { Button } from "@/parts/Button"
import { inbox as t } from "@/texts/inbox"

type Repair = NonNullable<InboxItem["form"]["repair"]>

/** What a run has failed with, and its input to be corrected, so that it runs again. */
export function RepairForm({ form, onMend }: { form: Repair; onMend: (input: unknown) => Promise<unknown> }) {
  const error = form.error as { code?: string; message?: string } | null
  return (
    <section className="stack" aria-label={t.repair}>
      {error && (
        <p className="note danger">
          <strong className="number">{error.code}</strong> {error.message}
        </p>
      )}
      <h3>{t.repair}</h3>
      <Form
        fields={form.fields as unknown as Field[]}
        layout={form.layout as unknown as Layout}
        initial={form.value}
        prefix="/input"
        onSubmit={onMend}
      >
        {isBusy => (
          <Button type="submit" look="primary" icon="again" disabled={isBusy}>
            {t.mend}
          </Button>
        )}
      </Form>
      <h3>{t.byHand}</h3>
    </section>
  )
}
