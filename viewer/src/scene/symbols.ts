/** Symbols of devices and alarms: small pictures drawn once, by class and colour. */

const SIZE = 44
const HALF = SIZE / 2

/** Outlines in a square of 16 by class of device; others have a dot. */
const SHAPES: Readonly<Record<string, string>> = {
  lift: 'M8 2l3.4 4.6H4.6zM8 14l3.4-4.6H4.6z',
  smoke: 'M4 12a3 3 0 0 1 .3-6A4 4 0 0 1 12 6.600a2.800 2.800 0 0 1 0 5.400z',
  gas: 'M8 1.500c1 2.600 4 4.200 4 7.600a4 4 0 0 1-8 0C4 7 5.600 6.600 8 1.500z',
  gas_meter: 'M8 1.500c1 2.600 4 4.200 4 7.600a4 4 0 0 1-8 0C4 7 5.600 6.600 8 1.500z',
  water_meter: 'M8 1.500C10.400 5 12.200 7.200 12.200 9.600a4.200 4.200 0 0 1-8.400 0C3.800 7.200 5.600 5 8 1.500z',
  water_pressure: 'M8 1.500C10.400 5 12.200 7.200 12.200 9.600a4.200 4.200 0 0 1-8.400 0C3.800 7.200 5.600 5 8 1.500z',
  level: 'M2 6q2-2 4 0t4 0 4 0v3q-2 2-4 0t-4 0-4 0zM2 11q2-2 4 0t4 0 4 0v2H2z',
  power_meter: 'M9.500 1.500L3.500 9h4L6 14.500 12.500 6.500H8.500z',
  charger: 'M9.500 1.500L3.500 9h4L6 14.500 12.500 6.500H8.500z',
  street_lamp: 'M7 6h2v9H7zM3.500 2h9L10.500 6h-5z',
  bin: 'M3 4h10v1.600H3zM4.200 6.600h7.600l-.8 7.900H5zM6 2h4v1.200H6z',
  camera: 'M2 4.500h8v7H2zM11 7l3.500-2v6L11 9z',
  throw_camera: 'M2 6.500h8v7H2zM11 9l3.500-2v6L11 11zM5 1h2v4H5z',
  access: 'M4 1.500h8v13H4zM10 7.500h1.200v1.600H10z',
  gate: 'M2 4h2v10H2zM4 5l10.500-2v2L4 7z',
  parking_space: 'M5 2h4a3.500 3.500 0 0 1 0 7H7v5H5z',
  tilt: 'M2 14L13 3v11z',
  crack: 'M7 1l2 4-2.500 3L9 11l-1.500 4L5 11l1.500-3L5 5z',
  environment: 'M13 2C6 2 3 5 3 9c0 2 1 3.500 2.500 4C5.500 10 7.500 7 10 5.500 8 8 6.800 10.500 7 13.200 11 13 13.500 9 13 2z',
  gateway: 'M2 10h12v4H2zM7.300 4h1.400v6H7.300zM4 4a4 4 0 0 1 8 0h-1.400a2.600 2.600 0 0 0-5.200 0z',
}

const known = new Map<string, HTMLCanvasElement>()

function drawn(key: string, draw: (context: CanvasRenderingContext2D) => void): HTMLCanvasElement {
  let found = known.get(key)
  if (!found) {
    found = Object.assign(document.createElement('canvas'), { width: SIZE, height: SIZE })
    const context = found.getContext('2d')
    if (context) draw(context)
    known.set(key, found)
  }
  return found
}

function disc(context: CanvasRenderingContext2D, colour: string): void {
  context.beginPath()
  context.arc(HALF, HALF, HALF - 3, 0, 2 * Math.PI)
  context.fillStyle = colour
  context.fill()
  context.lineWidth = 3
  context.strokeStyle = '#ffffff'
  context.stroke()
}

/** A device by its class, in the colour of its state. */
export function symbol(kind: string, colour: string): HTMLCanvasElement {
  return drawn(`${kind} ${colour}`, (context) => {
    disc(context, colour)
    context.fillStyle = '#ffffff'
    context.translate(HALF - 12, HALF - 12)
    context.scale(1.5, 1.5)
    context.fill(new Path2D(SHAPES[kind] ?? 'M8 4.500a3.500 3.500 0 1 0 .01 0z'), 'evenodd')
  })
}

/** So many devices, in the colour of the worst of them. */
export function bunch(many: number, colour: string): HTMLCanvasElement {
  const text = many > 99 ? '99+' : String(many)
  return drawn(`${text} ${colour}`, (context) => {
    disc(context, colour)
    context.fillStyle = '#ffffff'
    context.font = `600 ${text.length > 2 ? 15 : 19}px system-ui, sans-serif`
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.fillText(text, HALF, HALF + 1)
  })
}

/** An alarm: a sign that stands above the place. */
export function pin(colour: string): HTMLCanvasElement {
  return drawn(`pin ${colour}`, (context) => {
    context.beginPath()
    context.moveTo(HALF, 3)
    context.lineTo(SIZE - 3, SIZE - 6)
    context.lineTo(3, SIZE - 6)
    context.closePath()
    context.lineJoin = 'round'
    context.lineWidth = 5
    context.strokeStyle = '#ffffff'
    context.stroke()
    context.fillStyle = colour
    context.fill()
    context.fillStyle = '#ffffff'
    context.fillRect(HALF - 2, 14, 4, 12)
    context.fillRect(HALF - 2, 29, 4, 4)
  })
}
