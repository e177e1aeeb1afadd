// Where a page begins. Modules are loaded once, so these outlive the component.
let place = null
let turn = 0

const NARROW = 768 // pixels: here the menu lies over the page
const LATEST_MS = 8000 // how long to wait for what shall be scrolled to

export default function ({ data }) {
  if (place === null) begin()
  else if (data.place !== place) main()?.scrollTo(0, 0)
  place = data.place
  if (data.turn > turn) show(data.target, performance.now() + LATEST_MS)
  turn = data.turn
}

const main = () => document.querySelector("[data-testid=stMain]")

function begin() {
  // a page inside somebody else's: ?embed=1 leaves out the menu
  if (new URLSearchParams(window.location.search).get("embed") === "1")
    document.documentElement.dataset.embed = "1"
  closeMenu() // what was open before a reload
  document.addEventListener("click", event => {
    if (event.target.closest?.("[data-testid=stSidebar] a")) closeMenu()
  })
}

function closeMenu() {
  if (window.innerWidth > NARROW) return
  const menu = document.querySelector("[data-testid=stSidebar][data-collapsed=false]")
  menu?.querySelector("[data-testid=stSidebarCollapseButton] button")?.click()
}

// once the page is drawn: what stands above may still be growing before
function show(key, latest) {
  const running = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState !== "notRunning"
  const found = document.querySelector(`.st-key-${CSS.escape(key)}`)
  if (found && !running) found.scrollIntoView({ block: "start" })
  else if (performance.now() < latest) requestAnimationFrame(() => show(key, latest))
}
