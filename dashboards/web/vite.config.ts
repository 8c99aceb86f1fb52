import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** Where the gateway is. A build without it asks where the page came from; `npm run dev` passes /api on to it. */
const gateway = process.env["API_URL"];

export default defineConfig(({ command }) => ({
  define: { API_URL: JSON.stringify(command === "build" ? (gateway ?? "").replace(/\/$/, "") : "") },
  plugins: [svelte()],
  server: {
    host: "127.0.0.1",
    port: 3003,
    strictPort: true,
    proxy: { "/api": gateway ?? "http://127.0.0.1:8080" },
  },
  build: {
    target: "es2022",
    // The page's content security policy allows neither inline scripts nor data: URIs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One file: what is compressed of it is held below a limit by tests/size.test.ts.
    chunkSizeWarningLimit: 1_000,
    // Licence texts of everything bundled, beside the page.
    license: { fileName: "licenses.md" },
  },
  test: { include: ["tests/**/*.test.ts"] },
}));
