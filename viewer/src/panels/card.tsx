/** Everything known of the selected unit, or of the building where no unit is selected. */
import type { ComponentChildren } from 'preact'
import type { Building, Card as UnitCard } from '../api/types'
import type { Store } from '../store'
import { inWords, measure, moment } from '../words'
import { Devices } from './devices'
import { Residents } from './residents'

export function Card({ store }: { store: Store }) {
  const { selection } = store.state.value
  const card = store.card.value
  const building = store.building.value
  const t = store.t.value
  if (selection.building === null) return null
  return (
    <section class="panel card" aria-labelledby="card-title" aria-live="polite">
      <header class="row">
        <h2 id="card-title">{selection.unit === null ? t.building : t.unit}</h2>
        <button
          type="button" class="icon" aria-label={t.clear} title={`${t.clear} (Esc)`}
          onClick={() => store.select({ building: null, unit: null })}
        >
          ✕
        </button>
      </header>
      {selection.unit !== null
        ? card?.unit.id === selection.unit ? <OfUnit card={card} store={store} /> : <p class="hint">{t.loading}</p>
        : building?.id === selection.building
          ? <OfBuilding building={building} store={store} /> : <p class="hint">{t.loading}</p>}
    </section>
  )
}

function OfUnit({ card, store }: { card: UnitCard; store: Store }) {
  const t = store.t.value
  const { language } = store.state.value
  const occupancy = t.occupancies[card.unit.occupancy as keyof typeof t.occupancies] ?? card.unit.occupancy
  const areas = [...card.areas].map((area) => area.name).filter(Boolean)
  return (
    <div class="scroll">
      <p class="address" data-testid="address">{card.address.text}</p>
      {card.address.source === 'composed' && <p class="hint">{t.composed}</p>}
      <p class="chips">
        <Chip>{inWords(card.unit.kind, language)}</Chip>
        {card.unit.occupancy !== 'unknown' && <Chip>{occupancy}</Chip>}
        {card.unit.layout && <Chip>{card.unit.layout}</Chip>}
      </p>
      <dl>
        <Fact name={t.building}>
          <button
            type="button" class="link"
            onClick={() => store.select({ building: card.building.id, unit: null })}
          >
            {card.building.name ?? card.building.id}
          </button>
        </Fact>
        <Fact name={t.storey}>{t.storeyOf(card.storey.label, card.building.floors_above)}</Fact>
        {card.entrance && <Fact name={t.entrance}>{card.entrance.name}</Fact>}
        {card.estate && <Fact name={t.estate}>{card.estate.name}</Fact>}
        {card.unit.area_gross !== null
          ? <Fact name={t.area}>{measure(card.unit.area_gross, 'm²', language)}</Fact>
          : card.unit.area !== null && <Fact name={t.drawnArea}>{measure(card.unit.area, 'm²', language)}</Fact>}
        {card.storey.elev_bottom !== null && (
          <Fact name={t.height}>{`${card.storey.elev_bottom.toFixed(1)}–${card.storey.elev_top?.toFixed(1)} m`}</Fact>
        )}
        {areas.length > 0 && <Fact name={t.division}>{areas.join(' · ')}</Fact>}
        {card.grid && <Fact name={t.grid}>{card.grid.name ?? card.grid.code}</Fact>}
      </dl>
      {card.alarms.length > 0 && (
        <>
          <h3>{t.alarms}</h3>
          <ul class="things" data-testid="alarms">
            {card.alarms.map((one) => (
              <li key={one.id}>
                <span class="faulty">⚠ {one.kind}</span>
                <small>{[one.about.label, moment(one.since, language)].filter(Boolean).join(' · ')}</small>
              </li>
            ))}
          </ul>
        </>
      )}
      <Residents card={card} store={store} />
      {card.spaces.length > 0 && (
        <>
          <h3>{t.rooms}</h3>
          <ul class="things">
            {card.spaces.map((one) => (
              <li key={one.id}>
                {one.name ?? one.kind ?? one.id}
                <small>
                  {[one.storey === card.storey.label ? '' : t.floorLabel(one.storey), one.area === null ? '' : measure(one.area, 'm²', language)]
                    .filter(Boolean).join(' · ')}
                </small>
              </li>
            ))}
          </ul>
        </>
      )}
      {card.organisations.length > 0 && (
        <>
          <h3>{t.organisations}</h3>
          <ul class="things">
            {card.organisations.map((one) => (
              <li key={one.id}>
                {one.name}
                <small>{[one.kind, ...one.tags].filter(Boolean).join(' · ')}</small>
              </li>
            ))}
          </ul>
        </>
      )}
      {card.facilities.length > 0 && (
        <>
          <h3>{t.facilities}</h3>
          <ul class="things">
            {card.facilities.map((one) => (
              <li key={one.id}>
                {one.name}
                <small>{[inWords(one.class, language), one.serves.label].filter(Boolean).join(' · ')}</small>
              </li>
            ))}
          </ul>
        </>
      )}
      <Devices card={card} store={store} />
    </div>
  )
}

function OfBuilding({ building, store }: { building: Building; store: Store }) {
  const t = store.t.value
  const { language } = store.state.value
  const areas = building.areas.map((area) => area.name).filter(Boolean)
  const counts = building.counts
  return (
    <div class="scroll" tabIndex={0} role="group" aria-labelledby="card-title">
      <p class="address" data-testid="address">{building.address}</p>
      <p class="chips">
        <Chip>{inWords(building.use, language)}</Chip>
        <Chip>{t.unitsCount(counts.units)}</Chip>
        {counts.residents !== null && <Chip>{t.person(counts.residents)}</Chip>}
      </p>
      <dl>
        {building.name && <Fact name={t.building}>{building.name}</Fact>}
        <Fact name={t.height}>{measure(building.height, 'm', language)}</Fact>
        <Fact name={t.storeys}>{t.floors(building.floors_above, building.floors_below)}</Fact>
        <Fact name={t.entrance}>{counts.entrances}</Fact>
        {building.built_year && <Fact name={t.builtYear}>{building.built_year}</Fact>}
        <Fact name={t.footprint}>{measure(building.footprint_area, 'm²', language, 0)}</Fact>
        {building.estate && <Fact name={t.estate}>{building.estate.name}</Fact>}
        {areas.length > 0 && <Fact name={t.division}>{areas.join(' · ')}</Fact>}
        {building.grid && <Fact name={t.grid}>{building.grid.name ?? building.grid.code}</Fact>}
        <Fact name={t.organisations}>{counts.organisations}</Fact>
        <Fact name={t.devices}>{counts.devices}</Fact>
      </dl>
    </div>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>
}

function Chip({ children }: { children: ComponentChildren }) {
  return <span class="chip">{children}</span>
}
