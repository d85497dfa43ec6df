"""Every kind of artifact that there is. To add one, write its class beside what it is about, and name it here."""

from core.artifacts import Artifact
from core.atlas.artifacts import AtlasOf, CurveOf
from core.claims.pca import ContestOf
from core.claims.penalty_search import SearchOf
from core.claims.random_cuts import RandomCutsOf
from core.claims.reductions import RetrainedOf
from core.claims.spectral_history import HistoryOf

ALL: tuple[type[Artifact], ...] = (AtlasOf, CurveOf, HistoryOf, RandomCutsOf, ContestOf, RetrainedOf, SearchOf)
