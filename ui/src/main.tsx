import "@fontsource-variable/atkinson-hyperlegible-next"
import "@fontsource-variable/atkinson-hyperlegible-mono"
import "@/styles/tokens.css"
import "@/styles/base.css"
import "@/styles/page.css"
import "@/styles/controls.css"
import "@/styles/states.css"
import "@/styles/ledger.css"
import "@/styles/values.css"
import "@/styles/dialog.css"
import "@/styles/notes.css"
import "@/form/form.css"
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { ApiError } from "@/api/client"
import { meOptions } from "@/api/operations"
import { applyPrefs } from "@/lib/prefs"
import { makeRouter } from "./router"

const RETRIES = 2

const client = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < RETRIES && !(error instanceof ApiError && error.status < 500),
      staleTime: 1_000,
    },
  },
})

async function begin(page: HTMLElement): Promise<void> {
  void client.prefetchQuery(meOptions)
  applyPrefs()
  const router = makeRouter(client)
  // What the server has sent stays until there is more to see.
  await router.load()
  createRoot(page).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )
}

const page = document.getElementById("page")
if (page) void begin(page)
