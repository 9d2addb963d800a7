__version__: str

from .datasets import ParametricInvK as ParametricInvK
from .datasets import SuiteSparseInvK as SuiteSparseInvK
from .datasets import SyntheticTridiag as SyntheticTridiag
from .errors import BreakdownError as BreakdownError
from .errors import PrecondbenchError as PrecondbenchError
from .factors import ic0 as ic0
from .factors import ilu0 as ilu0
from .factors import invk as invk
from .factors import mic0 as mic0
from .leaderboard import load_pretrained as load_pretrained
from .quality import Pair as Pair
from .quality import evaluate as evaluate
from .quality import k_condition as k_condition
from .solvers import gmres as gmres
from .solvers import pcg as pcg
