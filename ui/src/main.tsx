import "@fontsource-variable/atkinson-hyperlegible-next"
import "@fontsource-variable/atkinson-hyperlegible-mono"
import "@/styles/tokens.css"
import "@/styles/base.css"
import "@/styles/parts.css"
import "@/form/form.css"
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { ApiError } from "@/api/client"
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

applyPrefs()
const page = document.getElementById("page")
if (page) {
  createRoot(page).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={makeRouter()} />
      </QueryClientProvider>
    </StrictMode>,
  )
}
