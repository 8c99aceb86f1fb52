import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds the gateway. */
const gateway = process.env["API_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  server: {
    host: "127.0.0.1",
    port: 3003,
    strictPort: true,
    proxy: { "/api": gateway },
  },
  build: {
    target: "es2022",
    // The page's content security policy allows neither inline scripts nor data: URIs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Licence texts of everything bundled, beside the page.
    license: { fileName: "licenses.md" },
  },
  test: { include: ["tests/**/*.test.ts"] },
});
