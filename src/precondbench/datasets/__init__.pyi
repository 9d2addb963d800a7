from .base import FactorDataset as FactorDataset
from .base import clear_processed as clear_processed
from .geometry import geometry_features as geometry_features
from .opening import DataSelection as DataSelection
from .opening import open_dataset as open_dataset
from .parametric import ParametricInvK as ParametricInvK
from .suitesparse import SuiteSparseInvK as SuiteSparseInvK
from .tridiagonal import SyntheticTridiag as SyntheticTridiag

# Between the packages of this library; not promised to users.
from .graph import GraphArrays as GraphArrays
from .graph import collate_graphs as collate_graphs
from .suitesparse import local_shard as local_shard
