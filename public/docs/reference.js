// Read before Scalar: the zod inside of it would try whether it may compile code, and the browser would report that.
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } })

// Scalar's reference, told to talk to nobody but this deployment.
addEventListener('DOMContentLoaded', () => {
  Scalar.createApiReference('#reference', {
    url: '/openapi.json',
    telemetry: false,
    withDefaultFonts: false,
    agent: { disabled: true },
    mcp: { disabled: true },
    hideClientButton: true,
    showDeveloperTools: 'never',
    defaultOpenAllTags: false,
    persistAuth: true,
  })
})
