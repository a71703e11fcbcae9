# The gateway on Debian 13 with Node 24: its engine wants glibc 2.38 or newer, so no Alpine.

FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY client/package.json client/
RUN npm ci --no-audit --no-fund
COPY . .
RUN npx tsc -b
# What runs in production: without what only builds and tests need, and of the engine's builds, one
# for each system and Node, only those for this one (14 MB instead of 230).
RUN npm ci --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/uws-legacy \
  && find node_modules/uWebSockets.js -name 'uws_*.node' \
    -not -name "uws_linux_*_$(node -p process.versions.modules).node" -delete

FROM node:24-trixie-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE /app/NOTICE ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/client/package.json client/
COPY --from=build /app/cli/bin.mjs cli/
COPY --from=build /app/build build
USER node
# 8080 for clients; 9090 for health and metrics, on 127.0.0.1 unless TIDEGATE_ADMIN_HOST says else.
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Whether it lives, by the admin port on 127.0.0.1; without one (TIDEGATE_ADMIN_PORT=0) that it runs is
# all there is to see. A port set in a file, or a TIDEGATE_ADMIN_HOST that leaves 127.0.0.1 out, is not
# seen from here, and other commands than serve have no such port: give those a check of their own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "const port = Number(process.env.TIDEGATE_ADMIN_PORT || 9090); if (port !== 0) fetch('http://127.0.0.1:' + port + '/health/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "cli/bin.mjs"]
CMD ["serve"]
