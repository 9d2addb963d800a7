from .conjugate_gradients import PCGResult as PCGResult
from .conjugate_gradients import Status as Status
from .conjugate_gradients import pcg as pcg
from .minimal_residual import gmres as gmres
from .multigrid import VCycle as VCycle
from .multigrid import smoothed_aggregation as smoothed_aggregation
from .operators import FactoredInverse as FactoredInverse
from .operators import FactoredPreconditioner as FactoredPreconditioner
from .operators import Preconditioner as Preconditioner
from .operators import after_reordering as after_reordering
from .operators import exact_cholesky as exact_cholesky

# Between the packages of this library; not promised to users.
from .conjugate_gradients import pcg_operator as pcg_operator
from .conjugate_gradients import pcg_values as pcg_values
from .minimal_residual import gmres_operator as gmres_operator
from .minimal_residual import gmres_values as gmres_values
