import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { type ErrorGroup, errorsOptions } from "@/api/errors"
import { useSearchText } from "@/lib/useSearchText"
import { SPARING, useChanges } from "@/live/changes"
import { Button } from "@/parts/Button"
import { Cause } from "@/parts/Causes"
import { Listed } from "@/parts/Loaded"
import { Page } from "@/parts/Page"
import { causes } from "@/texts/causes"
import { deadLetters as t } from "@/texts/deadLetters"
import { DiscardDialog } from "./DiscardDialog"
import { RequeueDialog } from "./RequeueDialog"

type Verb = "requeue" | "discard"

/** Dead letters by their cause; a group is mended or given up at once. */
export function DeadLettersPage() {
  const [search] = useSearchText()
  const client = useQueryClient()
  const options = errorsOptions({ dead: true, definition: search.definition })
  const found = useQuery(options)
  const [asks, setAsks] = useState<{ verb: Verb; group: ErrorGroup } | null>(null)
  useChanges(() => client.invalidateQueries({ queryKey: options.queryKey }), asks !== null, SPARING)
  const { data } = found
  const close = () => setAsks(null)
  return (
    <Page
      title={t.title}
      about={data?.items.length ? `${t.about} ${causes.searched(data.searched, data.complete)}` : t.about}
    >
      <Listed from={found} none={t.none} noneHelp={t.noneHelp}>
        {items => (
          <ul className="stack">
            {items.map(group => (
              <Cause
                key={group.fingerprint}
                group={group}
                actions={
                  <>
                    <Button icon="again" onClick={() => setAsks({ verb: "requeue", group })}>
                      {t.requeue}
                    </Button>
                    <Button icon="trash" onClick={() => setAsks({ verb: "discard", group })}>
                      {t.discard}
                    </Button>
                  </>
                }
              />
            ))}
          </ul>
        )}
      </Listed>
      {asks?.verb === "requeue" && <RequeueDialog group={asks.group} onClose={close} />}
      {asks?.verb === "discard" && <DiscardDialog group={asks.group} onClose={close} />}
    </Page>
  )
}
