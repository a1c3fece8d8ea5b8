import react from "@vitejs/plugin-react"
import type { Plugin } from "vite"
import { defineConfig } from "vitest/config"
import { ADDRESSES } from "./src/addresses.ts"

const SERVER = process.env.TASKYARD_URL ?? "http://127.0.0.1:8420"

/** Writes down with which files the page at each address begins, so that the server has them fetched with the first. */
const beginnings: Plugin = {
  name: "beginnings",
  generateBundle(_, bundle) {
    const filesOf = (name: string): string[] => {
      const chunk = bundle[name]
      if (chunk?.type !== "chunk") return []
      return [name, ...(chunk.viteMetadata?.importedCss ?? []), ...chunk.imports.flatMap(filesOf)]
    }
    const chunks = Object.values(bundle).filter(each => each.type === "chunk")
    const first = new Set(chunks.filter(each => each.isEntry).flatMap(each => filesOf(each.fileName)))
    const beginning = (page: string) => {
      const chunk = chunks.find(each => each.facadeModuleId?.endsWith(`/pages/${page}.tsx`))
      if (!chunk) this.error(`src/pages/${page}.tsx is no page`)
      return [...new Set(filesOf(chunk.fileName))].filter(name => !first.has(name))
    }
    const told = Object.entries(ADDRESSES).map(([address, page]) => [address, beginning(page)])
    this.emitFile({ type: "asset", fileName: "pages.json", source: JSON.stringify(Object.fromEntries(told)) })
  },
}

export default defineConfig({
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  base: "./", // the server says below which path it is mounted
  plugins: [react(), beginnings],
  build: {
    outDir: "../src/taskyard/interface/dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the policy of the page forbids data: addresses
    target: "es2022",
    // What many pages share is one file: a dozen small ones pack worse, and each is a request.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "base", test: /\/ui\/src\/lib\/|@tanstack/, minShareCount: 2 },
            { name: "shared", test: /\/ui\/src\//, minShareCount: 4 },
          ],
        },
      },
    },
    license: { fileName: "assets/third-party-licenses.md" },
  },
  server: {
    proxy: {
      "/api": { target: SERVER, changeOrigin: false },
      "/login": { target: SERVER },
      "/logout": { target: SERVER },
      "/ws": { target: SERVER, ws: true },
    },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
})
