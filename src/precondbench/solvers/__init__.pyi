from .solves import PCGResult as PCGResult
from .solves import Status as Status
from .conjugate_gradients import pcg as pcg
from .minimal_residual import gmres as gmres
from .approximate_inverses import SparseInverse as SparseInverse
from .approximate_inverses import chebyshev as chebyshev
from .approximate_inverses import spai as spai
from .forms import as_preconditioner as as_preconditioner
from .deflation import Deflation as Deflation
from .subdomains import additive_schwarz as additive_schwarz
from .subdomains import partition as partition
from .subdomains import subdomain_deflation as subdomain_deflation
from .preconditioners import smoothed_aggregation as smoothed_aggregation
from .preconditioners import FactoredInverse as FactoredInverse
from .preconditioners import Preconditioner as Preconditioner
from .preconditioners import after_reordering as after_reordering
from .preconditioners import exact_cholesky as exact_cholesky

# Between the packages of this library; not promised to users.
from .conjugate_gradients import pcg_operator as pcg_operator
from .conjugate_gradients import pcg_values as pcg_values
from .arguments import function_result as function_result
from .forms import fault_of as fault_of
from .lanes import LANES as LANES
from .minimal_residual import gmres_operator as gmres_operator
from .minimal_residual import gmres_values as gmres_values
from .preconditioners import FactoredPreconditioner as FactoredPreconditioner
from .solves import SidesResult as SidesResult
