/** Short names for what the service answers; the shapes come from its OpenAPI document. */
import type { components } from './schema'

type Schemas = components['schemas']

export type Code = Schemas['Code']
export type Session = Schemas['Session']
export type City = Schemas['City']
export type Building = Schemas['Building']
export type FloorGrid = Schemas['FloorGrid']
export type GridEntrance = Schemas['FloorGridEntrance']
export type GridStorey = Schemas['FloorGridStorey']
export type GridUnit = Schemas['FloorGridUnit']
export type Card = Schemas['UnitCard']
export type Device = Schemas['UnitDevice']
export type Datastream = Schemas['DeviceStream']
export type Observations = Schemas['Observations']
export type Located = Schemas['Location']
export type Found = Schemas['AddressItems']
export type FoundItem = Schemas['AddressItem']
export type Feature = Schemas['Feature']
export type FeatureCollection = Schemas['FeatureCollection']
