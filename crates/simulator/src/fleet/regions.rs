//! A dozen real regions, each a ring of towns in the order in which they lie round its center.
//!
//! The straight lines between neighbors, and between any two of a ring that follow each other with some left out, stay on
//! land.

use super::route::{Place, Route};
use crate::random::Random;

const ROUTES_PER_REGION: u64 = 16;
const TOWNS_PER_ROUTE: std::ops::RangeInclusive<u64> = 4..=6;
/// How far a route passes by the middle of a town, in degrees: about 600 m, so that not all vehicles share one line.
const OFF_THE_MIDDLE: f64 = 0.005;

struct Region {
    /// What the air is like on average over the year, in °C.
    ambient_celsius: f64,
    ring: [(f64, f64); 6],
}

#[rustfmt::skip]
const REGIONS: [Region; 12] = [
    // Madrid: Collado Villalba, Alcobendas, Guadalajara, Alcalá, Aranjuez, Toledo
    Region { ambient_celsius: 17.0, ring: [(40.635, -4.005), (40.547, -3.642), (40.633, -3.167), (40.482, -3.363), (40.031, -3.603), (39.857, -4.024)] },
    // Rotterdam: Delft, Leiden, Utrecht, Gorinchem, Breda, Barendrecht
    Region { ambient_celsius: 11.0, ring: [(52.011, 4.358), (52.160, 4.497), (52.091, 5.122), (51.836, 4.974), (51.588, 4.776), (51.857, 4.535)] },
    // São Paulo: Cotia, Sorocaba, Campinas, Jundiaí, Guarulhos, Santo André
    Region { ambient_celsius: 20.0, ring: [(-23.604, -46.919), (-23.501, -47.458), (-22.906, -47.061), (-23.186, -46.884), (-23.463, -46.533), (-23.664, -46.533)] },
    // Nairobi: Ngong, Limuru, Thika, Ruiru, Machakos, Athi River
    Region { ambient_celsius: 19.0, ring: [(-1.353, 36.656), (-1.107, 36.643), (-1.033, 37.069), (-1.149, 36.960), (-1.522, 37.263), (-1.456, 36.978)] },
    // Mumbai, on the mainland: Mumbra, Bhiwandi, Kalyan, Badlapur, Karjat, Panvel
    Region { ambient_celsius: 28.0, ring: [(19.180, 73.030), (19.297, 73.063), (19.244, 73.130), (19.167, 73.239), (18.911, 73.323), (18.994, 73.117)] },
    // Chicago: Oak Park, Schaumburg, Elgin, Aurora, Joliet, Orland Park
    Region { ambient_celsius: 10.0, ring: [(41.885, -87.785), (42.033, -88.083), (42.037, -88.281), (41.761, -88.320), (41.525, -88.083), (41.630, -87.854)] },
    // Sydney: Parramatta, Rouse Hill, Richmond, Penrith, Camden, Liverpool
    Region { ambient_celsius: 18.0, ring: [(-33.815, 151.003), (-33.682, 150.915), (-33.600, 150.751), (-33.751, 150.694), (-34.055, 150.696), (-33.921, 150.923)] },
    // Tokyo: Shinjuku, Machida, Hachiōji, Kawagoe, Kumagaya, Kasukabe
    Region { ambient_celsius: 16.0, ring: [(35.694, 139.703), (35.546, 139.439), (35.666, 139.316), (35.925, 139.486), (36.147, 139.389), (35.975, 139.752)] },
    // Johannesburg: Soweto, Krugersdorp, Pretoria, Bronkhorstspruit, Springs, Vereeniging
    Region { ambient_celsius: 17.0, ring: [(-26.267, 27.858), (-26.100, 27.770), (-25.747, 28.188), (-25.810, 28.742), (-26.254, 28.443), (-26.673, 27.926)] },
    // Warsaw: Sochaczew, Legionowo, Wołomin, Mińsk Mazowiecki, Piaseczno, Grodzisk
    Region { ambient_celsius: 9.0, ring: [(52.229, 20.238), (52.401, 20.926), (52.340, 21.242), (52.179, 21.572), (52.081, 21.024), (52.104, 20.634)] },
    // Mexico City: Toluca, Cuautitlán, Pachuca, Texcoco, Puebla, Cuernavaca
    Region { ambient_celsius: 16.0, ring: [(19.292, -99.657), (19.670, -99.180), (20.101, -98.759), (19.512, -98.882), (19.044, -98.198), (18.924, -99.222)] },
    // Toronto: Milton, Guelph, Orangeville, Newmarket, Markham, Brampton
    Region { ambient_celsius: 9.0, ring: [(43.518, -79.877), (43.545, -80.248), (43.920, -80.094), (44.059, -79.461), (43.856, -79.337), (43.732, -79.762)] },
];

/// The routes of all regions: one region after the other in turn, so that neighboring devices are far apart.
pub(super) fn routes(seed: u64) -> Vec<Route> {
    let variants =
        (0..ROUTES_PER_REGION).flat_map(|variant| (0_u64..).zip(&REGIONS).map(move |(number, region)| (variant, number, region)));
    variants.map(|(variant, number, region)| route(region, &mut Random::of(&[seed, number, variant]))).collect()
}

/// A ring through some of the region's towns, in their order, either way round.
fn route(region: &Region, random: &mut Random) -> Route {
    let mut towns = region.ring.to_vec();
    let wanted = TOWNS_PER_ROUTE.start() + random.below(TOWNS_PER_ROUTE.end() - TOWNS_PER_ROUTE.start() + 1);
    while towns.len() as u64 > wanted {
        towns.remove(random.below(towns.len() as u64) as usize);
    }
    if random.below(2) == 0 {
        towns.reverse();
    }
    let places = towns
        .into_iter()
        .map(|(lat, lon)| Place {
            lat: lat + random.between(-OFF_THE_MIDDLE, OFF_THE_MIDDLE),
            lon: lon + random.between(-OFF_THE_MIDDLE, OFF_THE_MIDDLE),
        })
        .collect();
    Route::through(places, region.ambient_celsius)
}
