import react from "@vitejs/plugin-react"
import { defineConfig } from "vitest/config"

const SERVER = process.env.TASKYARD_URL ?? "http://127.0.0.1:8420"

export default defineConfig({
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  base: "./", // the server says below which path it is mounted
  plugins: [react()],
  build: {
    outDir: "../src/taskyard/interface/dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the policy of the page forbids data: addresses
    target: "es2022",
    // What many pages share is one file: a dozen small ones pack worse, and each is a request.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "shared", test: /\/ui\/src\//, minShareCount: 4 }] } },
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
