import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const OUT = "../static";
const COMPRESSIBLE = /\.(?:js|css|svg|json)$/;

/** Beside each file that shrinks: what it is in Brotli and gzip, so that serving it takes no time. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async closeBundle() {
      const names = await readdir(OUT, { recursive: true });
      await Promise.all(
        names
          .filter((name) => COMPRESSIBLE.test(name))
          .map(async (name) => {
            const path = join(OUT, name);
            const bytes = await readFile(path);
            const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
            await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, quality));
            await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
          }),
      );
    },
  };
}

/** What a page looks like while it is loaded stands before the styles of all the rest, and so need not wait for them.
 * Those stand before the page itself, which has Mantine's own in it: they hold over the ones before. */
function paintedEarly(): Plugin {
  return {
    name: "painted-early",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html) {
        const styles = html.match(/ *<link rel="stylesheet" crossorigin[^>]*>\n/g) ?? [];
        const rest = styles.reduce((page, link) => page.replace(link, ""), html);
        return rest.replace('    <div id="root">', `${styles.join("")}    <div id="root">`);
      },
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [react(), paintedEarly(), compressed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // few files for what many pages share: each of its own would be a request
          groups: [
            {
              name: "base",
              test: /node_modules\/(?:react|react-dom|scheduler|@tanstack|i18next|react-i18next|wouter)\//,
            },
            { name: "parts", test: /node_modules\/(?:@mantine|@floating-ui|@tabler)\//, minShareCount: 4 },
          ],
        },
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:3000", "/v1": "http://127.0.0.1:3000" } },
});
