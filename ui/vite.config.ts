import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // The policy the page is served under forbids data: in scripts and fonts, so nothing is inlined.
    assetsInlineLimit: 0,
    // MapLibre alone is a megabyte, and nothing can be shown without it.
    chunkSizeWarningLimit: 1400,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  test: { include: ['src/**/*.test.ts'] },
  server: { host: '127.0.0.1', port: 17300, proxy: { '/api': 'http://127.0.0.1:17301' } },
});
