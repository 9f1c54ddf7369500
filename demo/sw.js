// Opens the page while the server is away. The network comes first, so what is kept never hides an update.
const PAGE = ['/', '/demo/app.js', '/demo/style.css', '/favicon.svg']
const kept = caches.open('freehold')

addEventListener('install', (event) => {
  event.waitUntil(kept.then((cache) => cache.addAll(PAGE)))
})

addEventListener('fetch', (event) => {
  if (PAGE.includes(new URL(event.request.url).pathname)) event.respondWith(answer(event.request))
})

async function answer(request) {
  const cache = await kept
  try {
    const response = await fetch(request)
    if (response.ok) await cache.put(request, response.clone())
    return response
  } catch {
    return (await cache.match(request)) ?? Response.error()
  }
}
